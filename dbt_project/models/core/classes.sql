select * from {{ source('landing', 'classes') }}
