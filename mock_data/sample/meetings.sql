with called as (
    select
        n,
        pick(['students', 'parents', 'teachers'], n, 'type') as type,
        getvariable('term') + number_from(n, 'date', 0, 280) as date,
        15 * number_from(n, 'hour', 32, 72) as start,
        number_from(n, 'guests', 0, 4) as guests,
        pick(['in_person', 'virtual', 'in-person'], n, 'way') as way,
        pick(['scheduled', 'completed', 'cancelled'], n, 'status') as status
    from range(1, getvariable('meetings') + 1) as numbers(n)
),
invited as (
    select
        called.n,
        list(
            case when type = 'students' then (1 + (roll(n, 'first') + guest) % getvariable('students'))::varchar
            else people.relative end
            order by guest
        ) as participants
    from called, range(guests) as chairs(guest)
    inner join people on people.number = (n * 5 + guest) % (select count(*) from people)
    group by called.n
)
select
    called.n::varchar as "id",
    pick(['Progress talk', 'Trip to the coast', 'Timetable', 'Support plan', 'Café des parents', 'Science fair 🔬'],
        called.n, 'title') as "title",
    pick(['How the term is going and what would help.', 'Dates, costs and who comes along.',
        'What changes after the holidays.', 'Bring questions; there is tea.'],
        called.n, 'description') as "description",
    date as "date",
    clock(start) as "startTime",
    clock(start + pick([15, 20, 30, 45, 60], called.n, 'length')) as "endTime",
    coalesce(participants, []) as "participants",
    type as "participantType",
    case when way = 'virtual' then 'https://meet.example.org/room-' || called.n
        else pick(['Library', 'Room A-112', 'Staff room', 'Gym, upper hall'], called.n, 'location') end as "location",
    way as "meetingType",
    status as "status",
    date - number_from(called.n, 'created', 1, 20) as "createdDate",
    case when status = 'completed' and chance(called.n, 'noted', 0.8)
        then pick(['Agreed: one page a day, signed.', 'Went well; next talk in six weeks.', 'Nobody objected. 👍',
            'They asked for "less homework, more labs".'], called.n, 'notes') end as "notes"
from called
left join invited on called.n = invited.n
order by called.n
