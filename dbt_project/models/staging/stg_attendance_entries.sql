with

source as (

    select * from {{ source('landing', 'attendance_entries') }}

),

renamed as (

    select
        id,
        "attendanceRecordId" as attendance_record_id,
        "studentId" as student_id,
        status,
        notes

    from source

)

select * from renamed
