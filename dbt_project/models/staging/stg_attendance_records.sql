with

source as (

    select * from {{ source('landing', 'attendance_records') }}

),

renamed as (

    select
        id,
        "classId" as class_id,
        date::date as date,
        "createdDate"::date as created_date,
        "updatedDate"::date as updated_date

    from source

)

select * from renamed
