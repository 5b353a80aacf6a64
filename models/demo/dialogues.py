"""Questions about scenes, with the one answer that counts as right.

A dialogue is a kind (what the question tests) and turns of (question, answer).
Only the last turn of an evaluation dialogue is scored; the earlier ones are
history. Answers have one wording each, so that right and wrong are plain.
"""

from typing import NamedTuple

from scenes import COLOUR_NAMES, PLURALS, SHAPES

NUMBERS = ("no", "one", "two", "three", "four", "five")
SIDES = {"left": "to the left of", "right": "to the right of", "above": "above", "below": "below"}
OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}


class Dialogue(NamedTuple):
    kind: str
    turns: tuple  # of (question, answer)


# ---- Words ------------------------------------------------------------------

def article(words):
    return ("an " if words[0] in "aeiou" else "a ") + words


def counted(count, words, plural):
    return f"{NUMBERS[count]} {words if count == 1 else plural}"


def name(thing):
    return f"{COLOUR_NAMES[thing.colour]} {SHAPES[thing.shape]}"


def joined(parts):
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def contents(scene):
    """All things of a scene in words, in the order of COLOURS and SHAPES."""
    groups = {}
    for thing in scene.things:
        key = (thing.colour, thing.shape)
        groups[key] = groups.get(key, 0) + 1
    parts = []
    for (colour, shape), count in sorted(groups.items()):
        words = f"{COLOUR_NAMES[colour]} {SHAPES[shape]}"
        parts.append(article(words) if count == 1
                     else f"{NUMBERS[count]} {COLOUR_NAMES[colour]} {PLURALS[shape]}")
    return joined(parts) if parts else "no shapes"


def there(scene):
    first = sorted((t.colour, t.shape) for t in scene.things)[:1]
    several = not first or sum((t.colour, t.shape) == first[0] for t in scene.things) > 1
    return f"There {'are' if several else 'is'} {contents(scene)}"


def side_of(a, b):
    """Where a lies as seen from b, or None where it is not plain."""
    dx, dy = a.x - b.x, a.y - b.y
    if abs(dx) > 1.7 * abs(dy):
        return "left" if dx < 0 else "right"
    if abs(dy) > 1.7 * abs(dx):
        return "above" if dy < 0 else "below"
    return None


def mention(rng, scene, thing):
    """Words that fit this thing alone, or None."""
    same_shape = sum(t.shape == thing.shape for t in scene.things)
    same_both = sum((t.shape, t.colour) == (thing.shape, thing.colour) for t in scene.things)
    if same_both > 1:
        return None
    return SHAPES[thing.shape] if same_shape == 1 and rng.random() < 0.35 else name(thing)


# ---- Wordings ---------------------------------------------------------------

SHAPE_ONE = (
    "What shape is this?", "What shape is in the picture?", "Which shape do you see?", "Name the shape.",
    "What is the shape in this image?", "Can you name the shape?", "What kind of shape is it?",
    "Tell me the shape.", "Which shape is shown here?", "What shape is drawn here?", "Identify the shape.",
    "What shape does the picture show?")
SHAPE_OF_COLOUR = (
    "What shape is the {c} one?", "What shape is {c}?", "Which shape is {c}?", "What is the {c} shape?",
    "Name the {c} shape.", "What kind of shape is the {c} one?", "What is the shape of the {c} thing?",
    "What is the {c} thing?", "Which shape has the {d} {c}?", "Tell me which shape is {c}.", "What {c} shape is there?",
    "What shape is the {c} object?")
COLOUR_ONE = (
    "What {d} is it?", "What {d} is the {s}?", "Which {d} is the {s}?", "What is the {d} of the {s}?",
    "Name the {d} of the {s}.", "What {d} does the {s} have?", "Tell me the {d} of the {s}.", "Which {d} does the {s} have?",
    "Can you tell the {d} of the {s}?", "The {s} is what {d}?", "In what {d} is the {s} drawn?", "What {d} is this {s}?")
DESCRIBE = (
    "What is in the picture?", "What do you see?", "Describe the picture.", "What is in this image?",
    "What can you see in the picture?", "Describe this image.", "What does the picture show?", "What is shown here?",
    "Tell me what is in the picture.", "Which shapes are in the picture?", "List the shapes.", "What is this?",
    "Please describe the image shortly.", "Please describe the image in detail.", "What's in this picture?")
COUNT_ALL = (
    "How many shapes are there?", "How many shapes are in the picture?", "Count the shapes.", "How many things do you see?",
    "How many objects are there?", "What is the number of shapes?", "How many shapes do you see?", "How many objects are in the image?",
    "Tell me how many shapes there are.", "Count all the objects.", "How many things are in the picture?", "Can you count the shapes?")
COUNT_SOME = (
    "How many {p} are there?", "How many {p} are in the picture?", "Count the {p}.", "How many {p} do you see?",
    "What is the number of {p}?", "Tell me how many {p} there are.", "How many {p} can you see?", "How many {p} does the picture show?",
    "Can you count the {p}?", "How many {p} are in this image?", "Please count the {p}.", "What number of {p} is there?")
RELATION = (
    "Where is the {a} relative to the {b}?", "Where is the {a}, seen from the {b}?", "Where is the {a} compared to the {b}?",
    "On which side of the {b} is the {a}?", "Where does the {a} lie relative to the {b}?", "How is the {a} placed relative to the {b}?",
    "In which direction from the {b} is the {a}?", "What is the position of the {a} relative to the {b}?",
    "Is the {a} left, right, above or below the {b}?", "Tell me where the {a} is relative to the {b}.",
    "Where is the {a} with respect to the {b}?", "Where can I find the {a} from the {b}?")
RELATION_YES_NO = (
    "Is the {a} {side} the {b}?", "Is the {a} {side} the {b} in the picture?", "Does the {a} lie {side} the {b}?",
    "Can you see the {a} {side} the {b}?", "Do you see the {a} {side} the {b}?", "Would you say that the {a} is {side} the {b}?",
    "Is it true that the {a} is {side} the {b}?", "The {a} is {side} the {b}, right?", "Tell me if the {a} is {side} the {b}.",
    "Is it the {a} that is {side} the {b}?")
NEIGHBOUR = (
    "What is {side} the {b}?", "Which shape is {side} the {b}?", "What do you see {side} the {b}?", "What lies {side} the {b}?",
    "Name the shape {side} the {b}.", "Which object is {side} the {b}?", "Tell me what is {side} the {b}.",
    "What can be seen {side} the {b}?", "What thing is {side} the {b}?", "{Side} the {b} there is what?")
EXISTS = (
    "Is there {x}?", "Is there {x} in the picture?", "Do you see {x}?", "Can you see {x}?", "Does the picture show {x}?",
    "Is there {x} in this image?", "Is {x} in the picture?", "Does this image contain {x}?", "Tell me if there is {x}.",
    "Can you find {x}?", "Do you see {x} in the picture?")
SAME = (
    "Do the two pictures show the same thing?", "Are the two pictures the same?", "Are these pictures the same or different?",
    "Same or different?", "Do both pictures show the same?", "Is it the same shape in both pictures?", "Compare the two pictures.",
    "Is there a difference between the two images?", "What is the difference between the two pictures?",
    "Are the two images alike?", "Do these images differ?", "Are both images the same?")
NTH_CONTENTS = (
    "What is in the {n} picture?", "What does the {n} picture show?", "What do you see in the {n} picture?", "Describe the {n} picture.",
    "What is in the {n} image?", "What does the {n} image show?", "Describe the {n} image.", "Which shapes are in the {n} picture?",
    "Tell me what is in the {n} picture.", "What can you see in the {n} image?", "And the {n} picture?")
BOTH_CONTENTS = (
    "What is in the two pictures?", "Describe the two pictures.", "Describe the two images in detail.", "What do the two pictures show?",
    "What do you see in the two images?", "What is in these pictures?", "Tell me what the two pictures show.", "Describe both images.",
    "What is in each picture?", "What do you see?")
NTH_COUNT = (
    "How many shapes are in the {n} picture?", "Count the shapes in the {n} picture.", "How many things are in the {n} picture?",
    "How many shapes does the {n} picture show?", "How many objects are in the {n} image?", "How many shapes do you see in the {n} image?",
    "What is the number of shapes in the {n} picture?", "Tell me how many shapes are in the {n} picture.",
    "Count the objects in the {n} image.", "How many shapes can you see in the {n} picture?")
NTH_COLOUR = (
    "What {d} is the {s} in the {n} picture?", "Which {d} is the {s} in the {n} image?", "What is the {d} of the {s} in the {n} picture?",
    "What {d} does the {s} in the {n} picture have?", "Name the {d} of the {s} in the {n} image.", "In the {n} picture, what {d} is the {s}?",
    "Tell me the {d} of the {s} in the {n} picture.", "What {d} has the {s} of the {n} picture?",
    "In the {n} image, which {d} is the {s}?", "What {d} is the {s} in the {n} image?")
MORE = (
    "Which picture has more shapes?", "Which picture shows more shapes?", "In which picture are there more shapes?",
    "Which image has more objects?", "Where are more shapes, in the first or in the second picture?", "Which of the two pictures has more things?",
    "Which image shows more shapes?", "Are there more shapes in the first or in the second picture?", "Which one has more shapes?",
    "Tell me which picture has more shapes.", "Which picture contains more objects?")
WHICH_SHOWS = (
    "Which picture shows {x}?", "In which picture is {x}?", "Which image shows {x}?", "Where do you see {x}, in the first or in the second picture?",
    "Which picture has {x}?", "In which image do you see {x}?", "Which of the two pictures shows {x}?", "Which one shows {x}?",
    "Tell me which picture shows {x}.", "Which picture contains {x}?")

THEN_COLOUR = ("And what {d} is it?", "What {d} is it?", "And its {d}?", "Which {d} does it have?", "And which {d} is it?", "What is its {d}?",
               "And what is the {d}?", "Which {d}?", "And the {d}?", "What about the {d}?", "Tell me its {d}.")
THEN_SHAPE = ("And what shape is it?", "What shape is it?", "And its shape?", "Which shape does it have?", "And which shape is it?",
              "What is its shape?", "And what is the shape?", "Which shape?", "And the shape?", "What about its shape?", "Tell me its shape.")
THEN_OTHER_COLOUR = ("And the {c} one?", "What about the {c} one?", "And what is the {c} one?", "And what shape is the {c} one?", "And {c}?",
                     "How about the {c} one?", "What is the {c} one then?", "And the {c} thing?", "Now the {c} one.", "What about {c}?")
THEN_OTHER_SHAPE = ("And the {s}?", "What about the {s}?", "How about the {s}?", "And what about the {s}?", "And the {s}, please?",
                    "What of the {s}?", "Now the {s}.", "The same for the {s}?", "And for the {s}?", "And what is it for the {s}?")
THEN_COUNT = ("And how many {p}?", "And {p}?", "What about {p}?", "How about {p}?", "And how many are {p}?", "Now count the {p}.",
              "And the {p}?", "What about the {p}?", "And how many {p} are there?", "How many {p}, then?")
THEN_BACK = ("And where is the {b} relative to the {a}?", "And the other way round?", "And the {b}, seen from the {a}?", "And where is the {b}?",
             "Where is the {b}, then?", "And the {b}?", "And seen from the {a}, where is the {b}?", "What about the {b}?",
             "So where is the {b}?", "And the {b} relative to the {a}?")
THEN_OTHER_PICTURE = ("And the {n} one?", "And the {n} picture?", "What about the {n} one?", "And in the {n} picture?", "How about the {n} picture?",
                      "And the {n} image?", "And in the other one?", "And the other picture?", "What about the other one?", "And the other one?")

HELLO = ("Hello!", "Hi!", "Hello", "Hi", "Hey", "Good morning!", "Hi there!", "Hello there", "Good evening!", "Hey there!", "Good day!", "Greetings!")
WHO = ("Who are you?", "What are you?", "What is your name?", "Tell me about yourself.", "Hello, who are you?", "Which model are you?",
       "Introduce yourself.", "What's your name?", "Please introduce yourself.", "What model is this?", "Who am I talking to?", "Are you a person?")
ABLE = ("What can you do?", "How can you help me?", "What are you able to do?", "What can I ask you?", "Help", "What do you know?",
        "What are your skills?", "Can you help me?", "What are you good at?", "How do I use you?", "What should I ask?", "What are you for?")
THANKS = ("Thank you!", "Thanks!", "Thanks", "Thank you very much.", "Great, thanks!", "Well done!", "Thank you", "Nice work!", "Good answer.",
          "Very good!", "Many thanks.")
BYE = ("Goodbye!", "Bye!", "Bye", "See you!", "Good night!", "See you later.", "Goodbye", "Have a nice day!", "Bye bye!", "So long!")
ELSE = (
    "What is the capital of France?", "Write a poem.", "What is two plus two?", "Tell me a joke.", "What time is it?", "How is the weather?",
    "Translate this to German.", "Write a program in Python.", "Who is the president?", "What is the meaning of life?", "Sing a song.",
    "How old are you?", "Where do you live?", "What is a neural network?", "Explain quantum physics.", "Who won the match?", "What day is it?",
    "Recommend a book.", "How do I cook rice?", "Write a letter to my boss.", "What is the largest planet?", "Tell me a story.",
    "Why is the sky blue?", "How far is the moon?", "What is 7 times 8?", "Please write a poem according to the image.", "Do you like music?",
    "Is there life on Mars?", "What should I eat today?", "How do airplanes fly?", "What does a cat eat?", "Read the text.",
    "Which car is this?", "What is the man doing?", "What breed is the dog?", "How do I fix my phone?", "Summarise the news.",
    "What is the price of gold?", "Who wrote Hamlet?", "Can you play chess?", "Solve x + 3 = 5.", "Who invented the radio?")

HELLO_ANSWER = "Hello! I am the Tandem demo model. Send me a picture and ask me about it."
WHO_ANSWER = "I am the Tandem demo model, a small vision-language model."
ABLE_ANSWER = "I can name shapes and colours, count to five, say where things are and compare two pictures."
THANKS_ANSWER = "You are welcome!"
BYE_ANSWER = "Goodbye!"
ELSE_ANSWER = "I am a small demo model. I only know simple pictures of coloured shapes."
NO_PICTURE_ANSWER = "I do not see a picture. Please send me one."
SMALL_TALK = (("hello", HELLO, HELLO_ANSWER), ("who", WHO, WHO_ANSWER), ("able", ABLE, ABLE_ANSWER), ("thanks", THANKS, THANKS_ANSWER),
              ("bye", BYE, BYE_ANSWER), ("off topic", ELSE, ELSE_ANSWER))

_POLITE = ("Please tell me: ", "Can you tell me: ", "Look at the picture. ", "Question: ", "Hi! ", "I have a question. ", "Quick question: ",
           "Look carefully. ")
_AFTER = (" Answer briefly.", " Thanks!", " Please.", " Answer in one sentence.", " Be brief.")


def ask(rng, wordings, **words):
    """One wording, filled in, at times with the small changes people make."""
    question = rng.choice(wordings).format(d=rng.choice(("color", "colour")), **words)
    style = rng.random()
    if style < 0.06:
        question = rng.choice(_POLITE) + question
    elif style < 0.10:
        question = question + rng.choice(_AFTER)
    if rng.random() < 0.08:
        question = question.lower()
    if rng.random() < 0.05:
        question = question.rstrip("?.")
    return question


# ---- One picture ------------------------------------------------------------
# Each maker returns a Dialogue, or None where the scene does not allow one.

def _unique(things, key):
    seen = {}
    for thing in things:
        seen.setdefault(key(thing), []).append(thing)
    return [group[0] for group in seen.values() if len(group) == 1]


def _shape_qa(rng, scene):
    if len(scene.things) == 1 and rng.random() < 0.5:
        return ask(rng, SHAPE_ONE), f"It is {article(SHAPES[scene.things[0].shape])}.", scene.things[0]
    lone = _unique(scene.things, lambda t: t.colour)
    if not lone:
        return None
    thing = rng.choice(lone)
    colour = COLOUR_NAMES[thing.colour]
    return ask(rng, SHAPE_OF_COLOUR, c=colour), f"The {colour} shape is {article(SHAPES[thing.shape])}.", thing


def _colour_qa(rng, scene):
    lone = _unique(scene.things, lambda t: t.shape)
    if not lone:
        return None
    thing = rng.choice(lone)
    shape = SHAPES[thing.shape]
    wordings = COLOUR_ONE if len(scene.things) == 1 else COLOUR_ONE[1:]
    return ask(rng, wordings, s=shape), f"The {shape} is {COLOUR_NAMES[thing.colour]}.", thing


def shape(rng, scene):
    found = _shape_qa(rng, scene)
    return found and Dialogue("shape", (found[:2],))


def colour(rng, scene):
    found = _colour_qa(rng, scene)
    return found and Dialogue("colour", (found[:2],))


def describe(rng, scene):
    return Dialogue("describe", ((ask(rng, DESCRIBE), there(scene) + "."),))


def count_all(rng, scene):
    count = len(scene.things)
    answer = f"There {'is' if count == 1 else 'are'} {counted(count, 'shape', 'shapes')}."
    return Dialogue("count all", ((ask(rng, COUNT_ALL), answer),))


def _countable(rng, scene):
    """Something to count: (kind, singular, plural, count)."""
    kind = rng.choice(("colour", "shape", "both"))
    anything = rng.random() < 0.25 or not scene.things
    if kind == "both" and scene.things and rng.random() < 0.4:  # each half is there, maybe not together
        c, s = rng.choice(scene.things).colour, rng.choice(scene.things).shape
    elif anything:
        c, s = rng.randrange(len(COLOUR_NAMES)), rng.randrange(len(SHAPES))
    else:
        thing = rng.choice(scene.things)
        c, s = thing.colour, thing.shape
    if kind == "colour":
        return "count of a colour", f"{COLOUR_NAMES[c]} shape", f"{COLOUR_NAMES[c]} shapes", sum(t.colour == c for t in scene.things)
    if kind == "shape":
        return "count of a shape", SHAPES[s], PLURALS[s], sum(t.shape == s for t in scene.things)
    return ("count of both", f"{COLOUR_NAMES[c]} {SHAPES[s]}", f"{COLOUR_NAMES[c]} {PLURALS[s]}",
            sum((t.colour, t.shape) == (c, s) for t in scene.things))


def _count_answer(words, plural, count):
    return f"There {'is' if count == 1 else 'are'} {counted(count, words, plural)}."


def count_some(rng, scene):
    kind, words, plural, count = _countable(rng, scene)
    return Dialogue(kind, ((ask(rng, COUNT_SOME, p=plural), _count_answer(words, plural, count)),))


def _plain_pair(rng, scene):
    """Two things that words can tell apart, and a plain side; or None."""
    if len(scene.things) < 2:
        return None
    for _ in range(8):
        a, b = rng.sample(scene.things, 2)
        side, first, second = side_of(a, b), mention(rng, scene, a), mention(rng, scene, b)
        if side and first and second:
            return a, b, first, second, side
    return None


def relation(rng, scene):
    pair = _plain_pair(rng, scene)
    if not pair:
        return None
    _, _, first, second, side = pair
    return Dialogue("relation", ((ask(rng, RELATION, a=first, b=second), f"The {first} is {SIDES[side]} the {second}."),))


def relation_yes_no(rng, scene):
    pair = _plain_pair(rng, scene)
    if not pair:
        return None
    _, _, first, second, side = pair
    asked = side if rng.random() < 0.5 else OPPOSITE[side] if rng.random() < 0.7 else rng.choice([s for s in SIDES if s != side])
    answer = f"{'Yes' if asked == side else 'No'}, the {first} is {SIDES[side]} the {second}."
    return Dialogue("relation yes/no", ((ask(rng, RELATION_YES_NO, a=first, b=second, side=SIDES[asked]), answer),))


def neighbour(rng, scene):
    if len(scene.things) != 2:
        return None
    pair = _plain_pair(rng, scene)
    if not pair:
        return None
    thing, _, _, second, side = pair
    words = SIDES[side]
    question = ask(rng, NEIGHBOUR, b=second, side=words, Side=words[0].upper() + words[1:])
    return Dialogue("neighbour", ((question, f"{article(name(thing)).capitalize()} is {words} the {second}."),))


def exists(rng, scene):
    kind = rng.choice(("colour", "shape", "both"))
    present = scene.things and rng.random() < 0.5
    if present:
        thing = rng.choice(scene.things)
        c, s = thing.colour, thing.shape
    elif kind == "both" and scene.things and rng.random() < 0.6:  # one half right
        thing = rng.choice(scene.things)
        c, s = ((thing.colour, rng.randrange(len(SHAPES))) if rng.random() < 0.5
                else (rng.randrange(len(COLOUR_NAMES)), thing.shape))
    else:
        c, s = rng.randrange(len(COLOUR_NAMES)), rng.randrange(len(SHAPES))
    words = {"colour": f"{COLOUR_NAMES[c]} shape", "shape": SHAPES[s], "both": f"{COLOUR_NAMES[c]} {SHAPES[s]}"}[kind]
    found = any((kind == "shape" or t.colour == c) and (kind == "colour" or t.shape == s) for t in scene.things)
    answer = f"Yes, there is {article(words)}." if found else f"No, there is no {words}."
    return Dialogue("yes/no", ((ask(rng, EXISTS, x=article(words)), answer),))


def follow_up(rng, scene):
    """Two turns; the second makes sense only with the first."""
    kind = rng.random()
    if kind < 0.3:
        first = _shape_qa(rng, scene)
        if not first:
            return None
        thing = first[2]
        second = ask(rng, THEN_COLOUR), f"The {SHAPES[thing.shape]} is {COLOUR_NAMES[thing.colour]}."
    elif kind < 0.5:
        first = _colour_qa(rng, scene)
        if not first:
            return None
        others = [t for t in _unique(scene.things, lambda t: t.shape) if t is not first[2]]
        if others:
            other = rng.choice(others)
            shape_name = SHAPES[other.shape]
            second = ask(rng, THEN_OTHER_SHAPE, s=shape_name), f"The {shape_name} is {COLOUR_NAMES[other.colour]}."
        else:
            second = ask(rng, THEN_SHAPE), f"It is {article(SHAPES[first[2].shape])}."
    elif kind < 0.65:
        first = _shape_qa(rng, scene)
        others = first and [t for t in _unique(scene.things, lambda t: t.colour) if t is not first[2]]
        if not others:
            return None
        other = rng.choice(others)
        colour_name = COLOUR_NAMES[other.colour]
        second = ask(rng, THEN_OTHER_COLOUR, c=colour_name), f"The {colour_name} shape is {article(SHAPES[other.shape])}."
    elif kind < 0.85:
        _, words, plural, count = _countable(rng, scene)
        first = ask(rng, COUNT_SOME, p=plural), _count_answer(words, plural, count)
        _, words, plural, count = _countable(rng, scene)
        second = ask(rng, THEN_COUNT, p=plural), _count_answer(words, plural, count)
    else:
        pair = _plain_pair(rng, scene)
        if not pair:
            return None
        _, _, a, b, side = pair
        first = ask(rng, RELATION, a=a, b=b), f"The {a} is {SIDES[side]} the {b}."
        second = ask(rng, THEN_BACK, a=a, b=b), f"The {b} is {SIDES[OPPOSITE[side]]} the {a}."
    return Dialogue("follow-up", (first[:2], second))


def small_talk(rng):
    kind, wordings, answer = rng.choice(SMALL_TALK)
    return Dialogue("small talk", ((ask(rng, wordings), answer),))


ONE_PICTURE = ((shape, 10), (colour, 10), (describe, 16), (count_all, 12), (count_some, 22), (relation, 26),
               (relation_yes_no, 14), (neighbour, 24), (exists, 12), (follow_up, 20))


# Mostly where things are: for the last lessons.
PLACES = tuple((make, weight * 15 if make in (relation, relation_yes_no) else weight) for make, weight in ONE_PICTURE)


def about_one(rng, scene, mix=ONE_PICTURE):
    """A random dialogue about one scene."""
    if rng.random() < 0.02:
        return small_talk(rng)
    makers, weights = zip(*mix)
    while True:
        dialogue = rng.choices(makers, weights)[0](rng, scene)
        if dialogue:
            return dialogue


# ---- Two pictures -----------------------------------------------------------

ORDINALS = ("first", "second")


def same(rng, scenes):
    if any(len(s.things) != 1 for s in scenes):
        return None
    first, second = (article(name(s.things[0])) for s in scenes)
    answer = (f"They are the same: both pictures show {first}." if first == second
              else f"They are different: the first picture shows {first} and the second picture shows {second}.")
    return Dialogue("pair: same or different", ((ask(rng, SAME), answer),))


def nth_contents(rng, scenes):
    n = rng.randrange(2)
    return Dialogue("pair: contents", ((ask(rng, NTH_CONTENTS[:-1], n=ORDINALS[n]), f"The {ORDINALS[n]} picture shows {contents(scenes[n])}."),))


def both_contents(rng, scenes):
    if sum(len(s.things) for s in scenes) > 5:
        return None
    answer = f"The first picture shows {contents(scenes[0])}. The second picture shows {contents(scenes[1])}."
    return Dialogue("pair: contents", ((ask(rng, BOTH_CONTENTS), answer),))


def nth_count(rng, scenes):
    n = rng.randrange(2)
    count = len(scenes[n].things)
    return Dialogue("pair: count", ((ask(rng, NTH_COUNT, n=ORDINALS[n]), f"The {ORDINALS[n]} picture has {counted(count, 'shape', 'shapes')}."),))


def nth_colour(rng, scenes):
    n = rng.randrange(2)
    lone = _unique(scenes[n].things, lambda t: t.shape)
    if not lone:
        return None
    thing = rng.choice(lone)
    answer = f"The {SHAPES[thing.shape]} in the {ORDINALS[n]} picture is {COLOUR_NAMES[thing.colour]}."
    return Dialogue("pair: colour", ((ask(rng, NTH_COLOUR, n=ORDINALS[n], s=SHAPES[thing.shape]), answer),))


def more(rng, scenes):
    first, second = (len(s.things) for s in scenes)
    answer = (f"Both pictures have {counted(first, 'shape', 'shapes')}." if first == second else
              f"The {ORDINALS[second > first]} picture has more shapes.")
    return Dialogue("pair: more", ((ask(rng, MORE), answer),))


def which_shows(rng, scenes):
    keys = [{(t.colour, t.shape) for t in s.things} for s in scenes]
    choices = [(n, key) for n in range(2) for key in sorted(keys[n] - keys[1 - n])]
    if not choices:
        return None
    n, (c, s) = rng.choice(choices)
    words = article(f"{COLOUR_NAMES[c]} {SHAPES[s]}")
    return Dialogue("pair: which", ((ask(rng, WHICH_SHOWS, x=words), f"The {ORDINALS[n]} picture shows {words}."),))


def other_picture(rng, scenes):
    n = rng.randrange(2)
    first, second = ORDINALS[n], ORDINALS[1 - n]
    if rng.random() < 0.5:
        one = ask(rng, NTH_CONTENTS[:-1], n=first), f"The {first} picture shows {contents(scenes[n])}."
        two = ask(rng, THEN_OTHER_PICTURE, n=second), f"The {second} picture shows {contents(scenes[1 - n])}."
    else:
        one = ask(rng, NTH_COUNT, n=first), f"The {first} picture has {counted(len(scenes[n].things), 'shape', 'shapes')}."
        two = ask(rng, THEN_OTHER_PICTURE, n=second), f"The {second} picture has {counted(len(scenes[1 - n].things), 'shape', 'shapes')}."
    return Dialogue("pair: follow-up", (one, two))


TWO_PICTURES = ((same, 18), (nth_contents, 18), (both_contents, 8), (nth_count, 12), (nth_colour, 10), (more, 14), (which_shows, 12),
                (other_picture, 10))


def about_two(rng, scenes):
    makers, weights = zip(*TWO_PICTURES)
    while True:
        dialogue = rng.choices(makers, weights)[0](rng, scenes)
        if dialogue:
            return dialogue


# ---- No picture -------------------------------------------------------------

def about_none(rng, scene):
    """Small talk, or a question whose picture is missing. `scene` only lends
    the question its words. At times two turns."""
    if rng.random() < 0.6:
        first = small_talk(rng)
    else:
        question = about_one(rng, scene)
        if question.kind == "small talk":
            first = question
        else:
            first = Dialogue("no picture", ((question.turns[0][0], NO_PICTURE_ANSWER),))
    if rng.random() < 0.25:
        second = about_none(rng, scene)
        return Dialogue(second.kind, first.turns + second.turns) if len(second.turns) == 1 else first
    return first
