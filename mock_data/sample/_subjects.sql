-- What is taught: the words that classes, notes, tests and homework are made of.
create table subjects as
select * from (
    values
    (0, 'Mathematics', ['Algebra I', 'Geometry', 'Pre-Calculus', 'Statistics'],
        ['linear equations', 'the Pythagorean theorem', 'fractions and ratios', 'π and the circle', 'probability']),
    (1, 'Biology', ['Life Science', 'Human Biology', 'Botany'],
        ['the cell', 'photosynthesis', 'food webs', 'Mendel''s peas', 'the heart and its valves']),
    (2, 'Literature', ['World Literature', 'Short Stories', 'Poetry Workshop'],
        ['the unreliable narrator', 'haiku (俳句)', 'the Odyssey (Ὀδύσσεια)', 'stage directions', 'metaphor and simile']),
    (3, 'French', ['Français débutant', 'Français intermédiaire', 'La France à table'],
        ['le passé composé', 'les nombres jusqu''à 100', 'au marché', 'les accents', 'une lettre à un ami']),
    (4, 'History', ['World History', 'Local History', 'Ancient Civilisations'],
        ['the Silk Road', 'the printing press', 'Mesopotamia', 'letters as sources', 'the harbour strike']),
    (5, 'Physics', ['Physics Lab', 'Motion and Forces', 'Light and Sound'],
        ['Newton''s second law', 'circuits with 2 Ω resistors', 'lenses', 'standing waves', 'friction']),
    (6, 'Art', ['Studio Art', 'Printmaking', 'Drawing from Life'],
        ['perspective', 'linocut', 'self-portraits', 'colour mixing', '書道 – brush and ink']),
    (7, 'Music', ['Choir', 'Orchestra', 'Music Theory'],
        ['sight-reading', 'the minor scale', 'rounds and canons', 'rhythm in 7/8', 'the winter concert']),
    (8, 'Computer Science', ['Programming I', 'Robotics', 'Data and Maps'],
        ['loops', 'lists and dictionaries', 'debugging aloud', 'binary numbers', 'sensors & motors'])
) as taught (number, subject, titles, topics);

create macro subject_of(class) as (class - 1) % 9;
