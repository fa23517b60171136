with

schedule_exceptions as (

    select * from {{ source('landing', 'schedule_exceptions') }}

),

with_default as (

    select
        id,
        schedule_id,
        date,
        start_time,
        end_time,
        coalesce(cancelled, false) as cancelled,
        created_date

    from schedule_exceptions

)

select * from with_default
