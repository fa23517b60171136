with

classes as (

    select * from {{ ref('classes') }}

),

class_enrollments as (

    select * from {{ ref('class_enrollments') }}

),

enrolled as (

    select
        class_id,
        count(*) as students

    from class_enrollments

    group by class_id

),

over_capacity as (

    select
        classes.id,
        classes.capacity,
        enrolled.students

    from classes
    inner join enrolled on classes.id = enrolled.class_id

    where enrolled.students > classes.capacity

)

select * from over_capacity
