select * from {{ source('landing', 'countries') }}
