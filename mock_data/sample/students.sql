select
    n::varchar as "id",
    people.name as "name",
    format(
        '{}.{}{}@{}',
        pick(['amber', 'blue', 'brisk', 'clever', 'copper', 'gentle', 'lucky', 'quiet', 'silver', 'sunny'], n, 'first'),
        pick(['badger', 'comet', 'finch', 'harbour', 'heron', 'maple', 'otter', 'pebble', 'robin', 'willow'],
            n, 'last'),
        n,
        pick(['pupils.example', 'mail.example', 'families.example.org'], n, 'domain')
    ) as "email",
    phone(n, 'phone') as "phone",
    pick(['Grade 9', 'Grade 10', 'Grade 11', 'Grade 12'], n, 'grade') as "grade",
    format('{}, {}', people.relative, phone(n, 'relative')) as "parentContact",
    getvariable('term') - number_from(n, 'enrolled', 5, 1200) as "enrollmentDate"
from range(1, getvariable('students') + 1) as numbers(n)
inner join people on people.number = n % (select count(*) from people)
order by n
