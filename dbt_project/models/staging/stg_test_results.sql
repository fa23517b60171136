with

source as (

    select * from {{ source('landing', 'test_results') }}

),

renamed as (

    select
        id,
        "testId" as test_id,
        "studentId" as student_id,
        score::integer as score,
        "maxScore"::integer as max_score,
        percentage::double precision as percentage,
        grade,
        feedback,
        "submittedDate"::date as submitted_date,
        "gradedDate"::date as graded_date,
        "submittedFiles"::jsonb as submitted_files,
        "createdDate"::date as created_date,
        "updatedDate"::date as updated_date

    from source

)

select * from renamed
