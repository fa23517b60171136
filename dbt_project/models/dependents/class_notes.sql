select * from {{ source('landing', 'class_notes') }}
