with

source as (

    select * from {{ source('landing', 'class_enrollments') }}

),

renamed as (

    select
        id,
        "classId" as class_id,
        "studentId" as student_id

    from source

)

select * from renamed
