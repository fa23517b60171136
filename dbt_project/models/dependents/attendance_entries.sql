with

attendance_entries as (

    select * from {{ ref('stg_attendance_entries') }}

)

select * from attendance_entries
