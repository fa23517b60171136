select * from {{ source('landing', 'attendance_records') }}
