with

source as (

    select * from {{ source('landing', 'classes') }}

),

renamed as (

    select
        id,
        name,
        subject,
        description,
        room,
        capacity::integer as capacity,
        "createdDate"::date as created_date,
        color

    from source

)

select * from renamed
