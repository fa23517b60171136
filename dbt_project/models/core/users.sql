with

users as (

    select
        'default-teacher-1' as id,
        'teacher@classboard.com' as email,
        'Default Teacher' as name,
        'TEACHER' as role

)

select * from users
