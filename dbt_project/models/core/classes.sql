with

classes as (

    select * from {{ ref('stg_classes') }}

)

select * from classes
