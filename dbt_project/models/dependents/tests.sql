select * from {{ source('landing', 'tests') }}
