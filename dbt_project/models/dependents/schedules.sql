select * from {{ source('landing', 'schedules') }}
