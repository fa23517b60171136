with

tests as (

    select * from {{ ref('stg_tests') }}

)

select * from tests
