select * from {{ source('landing', 'reviews') }}
