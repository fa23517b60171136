with

source as (

    select * from {{ source('landing', 'schedules') }}

),

renamed as (

    select
        id,
        "classId" as class_id,
        "dayOfWeek"::integer as day_of_week,
        "startTime"::time as start_time,
        "endTime"::time as end_time

    from source

)

select * from renamed
