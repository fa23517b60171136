with

schedules as (

    select * from {{ ref('stg_schedules') }}

)

select * from schedules
