select * from {{ source('landing', 'staff') }}
