"""Forty questions of small talk, in words that the training's templates do not
have, with the keys of the answers that count as right."""

import re

from answers import LANGUAGES

QUESTIONS = (
    ("en", "A very good evening to you.", ("hello",)),
    ("en", "And you would be...?", ("who",)),
    ("en", "What kind of thing can I get from you?", ("able",)),
    ("en", "Where do your skills end?", ("unable",)),
    ("en", "Which objects could you recognise?", ("things",)),
    ("en", "Are you able to read signs?", ("read",)),
    ("en", "What is the largest number of things you can count?", ("count",)),
    ("en", "May I show you several pictures together?", ("pictures",)),
    ("en", "Do you understand Chinese as well?", ("languages",)),
    ("en", "How big a model am I talking to?", ("size",)),
    ("en", "What kind of material went into your training?", ("trained",)),
    ("en", "Whose work are you?", ("maker",)),
    ("en", "Is there a human behind this?", ("human",)),
    ("en", "Could your answers be wrong?", ("trust",)),
    ("en", "What happens to the pictures I send?", ("private",)),
    ("en", "Will you get better by talking with me?", ("learn",)),
    ("en", "Will you run on an old laptop without any GPU?", ("speed",)),
    ("en", "Could I put you into a product that I sell?", ("licence",)),
    ("en", "Many thanks, that helped.", ("thanks",)),
    ("en", "Write me a short poem about autumn.", ("offtopic",)),
    ("zh", "晚上好呀！", ("hello",)),
    ("zh", "请问你叫什么？", ("who",)),
    ("zh", "你都有哪些本领？", ("able",)),
    ("zh", "有什么事是你办不到的？", ("unable",)),
    ("zh", "哪些物品你能认出来？", ("things",)),
    ("zh", "图里的字你看得懂吗？", ("read",)),
    ("zh", "数数的话你最多数到多少？", ("count",)),
    ("zh", "能不能同时给你看好几张图？", ("pictures",)),
    ("zh", "除了中文你还会别的语言吗？", ("languages",)),
    ("zh", "你这个模型的规模有多大？", ("size",)),
    ("zh", "你是用什么资料学出来的？", ("trained",)),
    ("zh", "是谁把你做出来的？", ("maker",)),
    ("zh", "你该不会是个真人吧？", ("human",)),
    ("zh", "你的回答会不会出错？", ("trust",)),
    ("zh", "我发的图片会被保存下来吗？", ("private",)),
    ("zh", "怎样使用你比较好？", ("how",)),
    ("zh", "真是帮大忙了，多谢！", ("thanks",)),
    ("zh", "那就下次再聊吧。", ("bye",)),
    ("zh", "你好聪明啊！", ("praise",)),
    ("zh", "帮我想三个周末活动的主意。", ("offtopic",)),
)


def _letters(text):
    return re.sub(r"\W", "", text.lower())


def questions():
    """(language, question, answers that count as right)."""
    for language, text, keys in QUESTIONS:
        words, keys = LANGUAGES[language], [f"talk_{key}" for key in keys]
        seen = {_letters(template) for key in keys for template in words.templates["seen"][key]}
        if _letters(text) in seen:
            raise ValueError(f"training has seen {text!r}")
        yield language, text, [words.talk[key] for key in keys]
