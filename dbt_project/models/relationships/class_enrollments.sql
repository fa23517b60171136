with

class_enrollments as (

    select * from {{ ref('stg_class_enrollments') }}

)

select * from class_enrollments
