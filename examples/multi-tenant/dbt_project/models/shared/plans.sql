select * from {{ source('landing', 'plans') }}
