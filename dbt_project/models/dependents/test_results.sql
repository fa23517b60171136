with

test_results as (

    select * from {{ ref('stg_test_results') }}

)

select * from test_results
