with

source as (

    select * from {{ source('landing', 'homework_assignments') }}

),

renamed as (

    select
        id,
        "classId" as class_id,
        title,
        description,
        "assignedDate"::date as assigned_date,
        "dueDate"::date as due_date,
        "totalPoints"::integer as total_points,
        instructions,
        resources::text[] as resources,
        "createdDate"::date as created_date,
        "updatedDate"::date as updated_date

    from source

)

select * from renamed
