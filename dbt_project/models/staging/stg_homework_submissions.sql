with

source as (

    select * from {{ source('landing', 'homework_submissions') }}

),

renamed as (

    select
        id,
        "assignmentId" as assignment_id,
        "studentId" as student_id,
        "submittedDate"::date as submitted_date,
        score::integer as score,
        "maxScore"::integer as max_score,
        grade,
        feedback,
        status,
        "submissionNotes" as submission_notes,
        "gradedDate"::date as graded_date,
        "createdDate"::date as created_date,
        "updatedDate"::date as updated_date

    from source

)

select * from renamed
