with

source as (

    select * from {{ source('landing', 'class_notes') }}

),

renamed as (

    select
        id,
        "classId" as class_id,
        date::date as date,
        content,
        topics::text[] as topics,
        homework,
        objectives,
        "createdDate"::date as created_date,
        "updatedDate"::date as updated_date

    from source

)

select * from renamed
