select * from {{ source('landing', 'coupons') }}
