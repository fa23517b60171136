select * from {{ source('landing', 'shops') }}
