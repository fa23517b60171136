select * from {{ source('landing', 'homework_assignments') }}
