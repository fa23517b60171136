with

source as (

    select * from {{ source('landing', 'meetings') }}

),

renamed as (

    select
        id,
        title,
        description,
        date::date as date,
        "startTime"::time as start_time,
        "endTime"::time as end_time,
        participants::text[] as participants,
        "participantType" as participant_type,
        location,
        "meetingType" as meeting_type,
        status,
        "createdDate"::date as created_date,
        notes

    from source

)

select * from renamed
