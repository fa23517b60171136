select * from {{ source('landing', 'class_enrollments') }}
