with

meetings as (

    select * from {{ source('landing', 'meetings') }}

),

one_spelling as (

    select
        id,
        title,
        description,
        date,
        start_time,
        end_time,
        participants,
        participant_type,
        location,
        case meeting_type
            when 'in-person' then 'in_person'
            else meeting_type
        end as meeting_type,
        status,
        created_date,
        notes

    from meetings

)

select * from one_spelling
