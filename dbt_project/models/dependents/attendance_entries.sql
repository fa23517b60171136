select * from {{ source('landing', 'attendance_entries') }}
