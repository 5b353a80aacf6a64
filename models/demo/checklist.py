"""Forty questions of small talk, in words that the training's templates do not
have, with the keys of the answers that count as right."""

from answers import LANGUAGES
from phrases.patterns import letters, matcher

QUESTIONS = (
    ("en", "Hey, anybody in there?", ("hello",)),
    ("en", "So what kind of stuff can I get you to do?", ("able", "how")),
    ("en", "Where do you fall short?", ("unable",)),
    ("en", "If I send you a page from a novel, can you read it to me?", ("read", "unable")),
    ("en", "whats the highest number you can count to", ("count",)),
    ("en", "Is it OK if I upload five images together?", ("pictures",)),
    ("en", "Can I also write to you in Spanish?", ("languages",)),
    ("en", "are you one of those huge AIs", ("size",)),
    ("en", "Where did your training pictures come from?", ("trained",)),
    ("en", "Which people stand behind you?", ("maker",)),
    ("en", "do you ever get sad?", ("human",)),
    ("en", "How sure can I be that what you tell me is correct?", ("trust",)),
    ("en", "Will anyone else get to see the photos I give you?", ("private",)),
    ("en", "If I correct you now, will you do better next time?", ("learn",)),
    ("en", "Do I need a GPU to run you?", ("speed",)),
    ("en", "May I put you into an app that I sell?", ("licence",)),
    ("en", "cheers mate, much appreciated", ("thanks",)),
    ("en", "Wow, not bad for such a little thing!", ("praise",)),
    ("en", "come on, that's complete nonsense", ("insult",)),
    ("en", "Could you book me a table for two tonight?", ("offtopic",)),
    ("zh", "先做个自我介绍吧", ("who", "able")),
    ("zh", "有什么是你搞不定的？", ("unable",)),
    ("zh", "水果和交通工具你都认得吗？", ("things",)),
    ("zh", "一张图里要是有十五个苹果，你数得清吗？", ("count",)),
    ("zh", "我想一口气传六张图，行不行", ("pictures",)),
    ("zh", "我用法语问你也可以吗？", ("languages",)),
    ("zh", "跟那些大模型比，你算大的吗", ("size",)),
    ("zh", "你学习用的图是从哪儿来的？", ("trained",)),
    ("zh", "你是哪家公司开发的？", ("maker",)),
    ("zh", "一直回答问题，你会觉得累吗", ("human",)),
    ("zh", "你说的我能全信吗？", ("trust",)),
    ("zh", "我发的照片会不会被存下来？", ("private",)),
    ("zh", "跟我聊得多了，你会变聪明吗？", ("learn",)),
    ("zh", "我的笔记本没有独立显卡，跑得动你吗？", ("speed",)),
    ("zh", "我第一次用，该怎么开始？", ("how",)),
    ("zh", "拿你来做商业产品要付钱吗", ("licence",)),
    ("zh", "我先去忙啦，回头聊", ("bye",)),
    ("zh", "连这个都答错，你也太笨了吧", ("insult",)),
    ("zh", "帮我想想这个月的房租怎么分", ("offtopic",)),
    ("zh", "行，这下我懂了", ("ok",)),
)


def _seen(words, key, text):
    """Whether training may ask for the key in these words."""
    return letters(text) in map(letters, words.templates["seen"][key]) or any(
        matcher(pattern).fullmatch(letters(text)) for pattern in words.patterns.get(key, ()))


def questions():
    """(language, question, answers that count as right)."""
    for language, text, keys in QUESTIONS:
        words, keys = LANGUAGES[language], [f"talk_{key}" for key in keys]
        if any(_seen(words, key, text) for key in keys):
            raise ValueError(f"training has seen {text!r}")
        yield language, text, [words.talk[key] for key in keys]
