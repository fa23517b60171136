with

source as (

    select * from {{ source('landing', 'schedule_exceptions') }}

),

renamed as (

    select
        id,
        "scheduleId" as schedule_id,
        date::date as date,
        "startTime"::time as start_time,
        "endTime"::time as end_time,
        cancelled::boolean as cancelled,
        "createdDate"::date as created_date

    from source

)

select * from renamed
