select * from {{ source('landing', 'homework_submissions') }}
