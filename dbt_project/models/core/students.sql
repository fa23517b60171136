select * from {{ source('landing', 'students') }}
