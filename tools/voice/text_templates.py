"""Templates and word lists of make_text.py, written for this voice: greetings, dates, questions, numbers.

{first} {name} first name, any name      {w} {adj} common word, adjective     {n} {num} {h} {m} {y} numbers
{day} {month} {d}  dates                 {lr} {part} {when}  left or right, part of the day, when
"""

FIRST_NAMES = """
John Mary James Anna David Sarah Peter Laura Michael Emma Robert Alice Thomas Julia Daniel Kate Mark Lucy
Paul Helen George Susan Henry Jane Tom Lisa Frank Nancy Jack Rose Sam Grace Ben Ruth Alex Maria Steve
Linda Chris Karen Kevin Amy Brian Eric Ryan Laura Oliver Sophie William Charlotte
""".split()
FUNCTION_WORDS = """
the of and to in a is that for it as was with be by on not he his but at are this have from or had an they
which one you were her all she there would their we him been has when who will more no if out so said what
up its about into than them can only other new some could time these two may then do first any my now such
like our over man me even most made after also did many before must through back years where much your way
well down should because each just those people how too little good very make world still own see men work
long get here between both life being under never day same another know while last might us great old year
off come since against go came right used take three
""".split()
NUMBERS = """
one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million
""".split()
MONTHS = """
January February March April May June July August September October November December
""".split()
DAYS = """
Monday Tuesday Wednesday Thursday Friday Saturday Sunday
""".split()
ADJECTIVES = """
good bad big small long short hot cold new old red blue green dark light warm loud soft slow fast hard
late clear strong free cheap kind real wide deep strange great poor rich safe quick dry wet
""".split()
TEMPLATES = """
Hello, {first}.
Hello, {first}, how are you today?
Good {part}, {first}.
Good {part}, everyone.
My name is {first} {name}.
How are you?
I am fine, thank you.
Thank you very much for your {w}.
Please wait a moment.
What time is it?
It is {h} o'clock.
The time is {h} {m}.
It is {n} degrees outside.
Today is {day}, {month} {d}.
We will meet on {day} at {h}.
The {w} costs {n} dollars.
There are {n} {w}s in the {w}.
Can you help me with the {w}?
Where is the {w}?
I would like a {w} and a {w}, please.
Do you know {first} {name}?
This is a test of the {w}.
This is the voice of a small {w} model.
Turn {lr} at the {w}.
Turn {lr}, then continue for {n} miles.
The {w} is {adj} and the {w} is {adj}.
{first} said that the {w} was {adj}.
{first} and {first} went to {name}.
Is the {w} {adj}?
Why is the {w} so {adj}?
Who took the {w}?
When will {first} come back?
I don't know what you mean.
That's not what I said.
It's a {adj} {w}.
We can't find the {w}.
You have {n} new messages.
Your {w} is ready.
Chapter {n}.
Page {n}.
Number {n}.
In {y}, the {w} changed.
The {w} was built in {y}.
{n} plus {n} is {n}.
{num}, {num}, {num}, {num}.
The number is {num} {num}.
Welcome to {name}.
Welcome back, {first}.
Please say that again.
I'm sorry, I did not understand.
See you {when}.
The weather {when} will be {adj}.
The train to {name} leaves at {h} {m}.
The {adj} {w} ran over the {adj} {w}.
Text to speech is {adj}.
The computer can read this text aloud.
Once upon a time there was a {adj} {w}.
{first} lives in {name}.
{first}, please call {first}.
The answer is {n}.
Are you sure?
Yes, I am.
No, thank you.
Let's go to the {w}.
I've never seen such a {adj} {w}.
He's {adj}, isn't he?
She has {num} {w}s and {num} {w}s.
Open the {w}.
Close the {w}.
Error in line {n}.
The file was not found.
The process has finished.
Warning: the {w} is {adj}.
Good night.
Good bye, {first}.
Take care.
Speech is generated on this computer.
The quick {w} jumps over the lazy {w}.
I think the {w} is {adj}.
How much is the {w}?
How many {w}s do you have?
My phone number is {num} {num} {num}, {num} {num} {num} {num}.
There was nothing but {w} and {w}.
Could you tell me the way to the {w}?
Dr. {first} {name} will see you at {h}.
Mr. {name} and Mrs. {name} live in {name}.
It costs about {num} percent more than in {month}.
Stop!
What?
Who said that?
Which {w} do you like best?
Have you ever been to {name}?
Did {first} bring the {w}, or was it {first}?
What does the word {w} mean?
{num} {w}s, {num} {w}s and a {w}.
On {day} the {num} of {month}, {first} and {first} met in {name}.
If the {w} is {adj}, call {first} at {h}.
{first} asked whether the {w} was {adj}, but nobody knew.
Chapter {num}, the {adj} {w}.
Please spell your name, {first}.
""".strip().split("\n")
