with

homework_submissions as (

    select * from {{ ref('stg_homework_submissions') }}

)

select * from homework_submissions
