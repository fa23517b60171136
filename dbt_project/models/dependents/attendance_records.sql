with

attendance_records as (

    select * from {{ ref('stg_attendance_records') }}

)

select * from attendance_records
