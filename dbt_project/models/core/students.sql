with

students as (

    select * from {{ ref('stg_students') }}

)

select * from students
