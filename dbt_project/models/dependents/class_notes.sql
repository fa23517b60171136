with

class_notes as (

    select * from {{ ref('stg_class_notes') }}

)

select * from class_notes
