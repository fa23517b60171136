with

source as (

    select * from {{ source('landing', 'tests') }}

),

renamed as (

    select
        id,
        "classId" as class_id,
        title,
        description,
        "testDate"::date as test_date,
        "testTime"::time as test_time,
        "totalPoints"::integer as total_points,
        "testType" as test_type,
        "fileName" as file_name,
        "fileUrl" as file_url,
        files::jsonb as files,
        "createdDate"::date as created_date,
        "updatedDate"::date as updated_date

    from source

)

select * from renamed
