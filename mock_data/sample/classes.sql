with enrolled as (
    select class, list(student::varchar order by seat) as students from seats group by class
)
select
    rosters.class::varchar as "id",
    pick(subjects.titles, rosters.class, 'title')
        || pick(['', ' (A)', ' (B)', ' – Honours'], rosters.class, 'suffix') as "name",
    subjects.subject as "subject",
    case when chance(rosters.class, 'described', 0.8)
        then format('From {} to {}.', subjects.topics[1], subjects.topics[-1]) else '' end as "description",
    pick(['A-', 'B-', 'Lab ', 'Annexe '], rosters.class, 'wing')
        || number_from(rosters.class, 'room', 101, 324) as "room",
    (greatest(1, rosters.size) + number_from(rosters.class, 'spare', 0, 6))::integer as "capacity",
    coalesce(enrolled.students, []) as "enrolledStudents",
    getvariable('term') - number_from(rosters.class, 'created', 10, 90) as "createdDate",
    pick(['#2563eb', '#16a34a', '#DC2626', '#9333ea', '#ea580c', '#0d9488', '#be185d'],
        rosters.class, 'color') as "color"
from rosters
inner join subjects on subjects.number = subject_of(rosters.class)
left join enrolled on rosters.class = enrolled.class
order by rosters.class
