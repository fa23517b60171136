with

source as (

    select * from {{ source('landing', 'students') }}

),

renamed as (

    select
        id,
        name,
        email,
        phone,
        grade,
        "parentContact" as parent_contact,
        "enrollmentDate"::date as enrollment_date

    from source

)

select * from renamed
