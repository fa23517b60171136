with

homework_assignments as (

    select * from {{ ref('stg_homework_assignments') }}

)

select * from homework_assignments
