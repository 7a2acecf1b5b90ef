"""Function words by language: they build sentences, and say nothing of what a text is about.

Closed classes only: articles, pronouns, prepositions, conjunctions, particles, auxiliaries and
question words, each in the forms that occur. Not the frequent words of a language, which published
lists mix in (day, year, make, use): those are what somebody may ask about, and the IDF makes them
count little anyway. See docs/decisions/0015-languages.md.
"""

from unicodedata import normalize

LISTS = {
    "en": """
a about am an and are as at be been being but by can could did do does for from had has have he her
his how i if in into is it its me my no not of on or our she should so such than that the their them
then there these they this to us was we were what when where which who why will with would you your
""",
    "de": """
der die das den dem des ein eine einen einem einer eines kein keine keinen keinem keiner keines
dieser diese dieses diesen diesem jener jene jenes jenen jenem welcher welche welches welchen
welchem jeder jede jedes jeden jedem solche solcher solches solchen ich du er sie es wir ihr mich
dich ihn uns euch mir dir ihm ihnen sich mein meine meinen meinem meiner meines dein deine deinen
deinem deiner sein seine seinen seinem seiner seines ihre ihren ihrem ihrer ihres unser unsere
unseren unserem unserer euer eure man wer wen wem wessen was wann wo wie warum wieso weshalb woher
wohin womit wodurch wofür woran worauf worin davon dazu damit dafür daran darauf darin dabei und
oder aber denn sondern wenn als ob dass daß weil da damit obwohl während bevor nachdem bis seit in
im ins an am ans auf aus bei beim mit nach von vom zu zum zur für durch gegen ohne um über unter
vor hinter neben zwischen wegen bin bist ist sind seid war warst waren wart gewesen sei wäre wären
habe hast hat haben habt hatte hatten hätte hätten werde wirst wird werden werdet wurde wurden
worden würde würden kann kannst können könnt konnte konnten könnte könnten muss musst müssen müsst
musste mussten soll sollst sollen sollte sollten darf dürfen durfte will willst wollen wollte mag
möchte nicht auch nur noch schon so sehr hier dort dann doch ja nein
""",
    "es": """
el la los las lo un una unos unas al del este esta esto estos estas ese esa eso esos esas aquel
aquella aquello aquellos aquellas yo tú tu tus él ella ello ellos ellas nosotros nosotras vosotros
vosotras usted ustedes me te se nos os le les mi mis su sus nuestro nuestra nuestros nuestras
vuestro vuestra que qué quien quién quienes quiénes cual cuál cuales cuáles cuando cuándo donde
dónde como cómo cuanto cuánto cuanta cuánta cuantos cuántos cuantas cuántas cuyo cuya a ante bajo
con contra de desde durante en entre hacia hasta para por según sin sobre tras y e o u ni pero sino
porque si sí pues aunque mientras es son soy eres somos era eran fue fueron ser sido siendo sea sean
está están estoy estás estamos estaba estaban estar ha han he has hemos había habían haber hay hubo
haya puede pueden puedo puedes podemos podía podría podrían debe deben debo debería no ya muy más
también tan así
""",
    "fr": """
le la les l un une des du de d au aux ce cet cette ces ça cela ceci celui celle ceux celles je j tu
il elle on nous vous ils elles me m te se lui leur leurs y en moi toi soi eux mon ma mes ta tes
sa ses notre nos votre vos qui que qu quoi dont où quel quelle quels quelles lequel laquelle
lesquels lesquelles quand comment pourquoi combien à dans par pour sur sous avec sans vers chez
entre depuis pendant contre avant après et ou ni mais donc car si lorsque puisque quoique est sont
suis es sommes êtes était étaient étais étions sera seront serait seraient soit soient être été
étant ai as a avons avez ont avait avaient aura auront aurait auraient ait aient avoir eu peut
peuvent peux pouvons pouvez pouvait pourrait pourraient doit doivent dois devez devrait ne n pas non
aussi très plus ainsi même
""",
    "it": """
il lo la i gli le l un uno una del dello della dei degli delle dell al allo alla ai agli alle all
dal dallo dalla dai dagli dalle dall nel nello nella nei negli nelle nell sul sullo sulla sui sugli
sulle sull col coi di a da in con su per tra fra questo questa questi queste quest quello quella
quelli quelle quell quel quei quegli io tu egli lui lei esso essa noi voi loro essi mi ti si ci vi
ne me te sé li mio mia miei mie tuo tua tuoi tue suo sua suoi sue nostro nostra nostri nostre vostro
vostra vostri vostre che chi cui quale quali qual quando dove dov come perché quanto quanta quanti
quante cosa e ed o od ma né se anche non più è sono sei siamo siete era erano ero fu furono essere
stata state sia siano sarà saranno sarebbe ha ho hai abbiamo avete hanno aveva avevano avere avuto
abbia può possono posso puoi possiamo potrebbe potrebbero deve devono devo dovrebbe così molto già
""",
    "pt": """
o a os as um uma uns umas do da dos das no na nos nas ao aos à às pelo pela pelos pelas num numa dum
duma este esta isto estes estas esse essa isso esses essas aquele aquela aquilo aqueles aquelas
neste nesta nesse nessa deste desta desse dessa disso eu tu ele ela nós vós eles elas você vocês me
te se lhe lhes meu minha meus minhas teu tua teus tuas seu sua seus suas nosso nossa nossos nossas
que quê quem qual quais quando onde como porque porquê quanto quanta quantos quantas cujo cuja de em
por para com sem sobre sob entre até desde contra e ou nem mas se é são sou és somos era eram foi
foram ser sido sendo seja sejam será serão seria está estão estou estamos estava estavam estar tem
têm tenho temos tinha tinham ter tido há havia haver pode podem posso podemos podia poderia poderiam
deve devem devo deveria não já muito mais também tão assim
""",
    "nl": """
de het een der des den dit dat deze die ik jij je u hij zij ze wij we jullie mij me jou hem haar hen
hun ons zich mijn jouw uw zijn onze wie wat welke welk waar wanneer hoe waarom waarmee waarvoor
waarin hiervan daarvan ervan er van in op te aan met voor door bij uit om over naar tot tegen onder
tussen zonder na sinds tijdens en of maar want dus als dan toen terwijl omdat hoewel is ben bent was
waren geweest wezen heb hebt heeft hebben had hadden gehad word wordt worden werd werden geworden
kan kun kunt kunnen kon konden moet moeten moest mag mogen mocht zal zult zullen zou zouden wil
willen wilde niet geen ook al nog wel zeer zo hier daar
""",
    "ru": """
и в во не что он на я с со как а то все она так его но да ты к ко у же вы за бы по ее её мне было
вот от меня о об обо из ему когда ну ли если или ни быть был него до вас они тут где есть для мы
тебя их чем была сам чтоб чтобы без чего тоже себе под будет будут ж кто этот эта это эти этого этой
этом этому этих этим этими тот та те того той тому том тех тем теми ту эту какой какая какое какие
какого каких каким каком каком который которая которое которые которого которой которых которым
которому которыми которую котором почему зачем куда откуда сколько при над про через между перед
после были нет он оно им ими ей ею нам нас нами вам вами свой своя свое своё свои своего своей своих
своим своими мой моя мое моё мои моего моей твой твоя ваш ваша ваше ваши вашего вашей наш наша наше
наши нашего нашей является являются можно может могут мог могла могли нельзя нужно должен должна
должно должны лишь только также
""",
    "sv": """
en ett den det de dem denna detta dessa jag du han hon vi ni mig dig honom henne oss er sig man min
mitt mina din ditt dina sin sitt sina hans hennes vår vårt våra ert era deras dess vem vad vilken
vilket vilka vars när var vart hur varför som att och eller men utan för så om i på av med till från
hos vid under över mellan genom mot efter före inom utanför innan medan eftersom är var vara varit
blir bli blev blivit har hade ha haft kan kunde kunna ska skall skulle måste får fick vill ville
inte ej också även än där här då ju
""",
    "da": """
en et den det de dem denne dette disse jeg du han hun vi i mig dig ham hende os jer sig man min mit
mine din dit dine sin sit sine hans hendes vores jeres deres dens dets hvem hvad hvilken hvilket
hvilke hvis hvornår hvor hvordan hvorfor som at og eller men om på af med til fra hos ved under over
mellem gennem mod efter før indtil mens fordi er var være været bliver blive blev blevet har havde
have haft kan kunne skal skulle må måtte vil ville ikke også der her da så for
""",
    "no": """
en et ei den det de dem denne dette disse jeg du han hun vi dere meg deg ham henne oss seg man min
mitt mine mi din ditt dine sin sitt sine hans hennes vår vårt våre deres dens dets hvem hva hvilken
hvilket hvilke når hvor hvordan hvorfor som at og eller men om i på av med til fra hos ved under
over mellom gjennom mot etter før mens fordi er var være vært blir bli ble blitt har hadde ha hatt
kan kunne skal skulle må måtte vil ville ikke også der her da så for
""",
    "pl": """
i a w we z ze na do nie to się o od po za przez dla przy pod nad przed między bez u ku oraz lub albo
czy ale lecz więc że żeby aby gdy gdyż jeśli jeżeli bo ponieważ jak jako co kto kogo komu czego
czemu czym kim gdzie kiedy dlaczego skąd dokąd ile który która które którego której którzy których
którym którą któremu którymi jaki jaka jakie jakiego jakiej jakich jakim ten ta te tego tej tych tym
tymi temu tą tę ci tamten tamta ja ty on ona ono my wy oni one mnie mi ciebie cię tobie jego go jemu
mu jej ją nam nas nami wam was wami ich im nimi nich nim niej niego siebie sobie sobą mój moja moje
mojego mojej moich twój twoja twoje swój swoja swoje swojego swojej swoich nasz nasza nasze wasz
jest są jestem jesteś był była było byli były być będzie będą można może mogą możesz mogę mógł musi
muszą trzeba już też także tylko
""",
    "tr": """
ve veya ya da de ile ama fakat ancak çünkü ki eğer ise için gibi kadar göre ben sen o biz siz onlar
beni seni onu bizi sizi onları bana sana ona bize size onlara benim senin onun bizim sizin onların
bu şu bunu şunu buna şuna bunun şunun bunlar şunlar bunda bundan kendi ne neyi neden niçin niye
nasıl nerede nereye nereden hangi kim kimi kime kimin kaç mı mi mu mü bir değil dir dır var yok idi
olan olarak olup en daha çok hem her
""",
    "ar": """
في من إلى الى على عن مع أن ان إن أو او أم ثم بل لكن لا لم لن ما ماذا هل متى أين اين كيف لماذا كم من
الذي التي الذين اللذان اللتان اللاتي هذا هذه هؤلاء ذلك تلك أولئك هو هي هم هن أنا انا أنت نحن أنتم
هما منه منها فيه فيها عليه عليها إليه إليها به بها له لها لهم عنه عنها كان كانت كانوا يكون تكون
يكن ليس ليست قد سوف كل بعض أي اي أية غير بين عند منذ حتى إذا اذا لو كما حيث إذ بعد قبل أيضا خلال
و ف ب ل ك وهو وهي ومن وفي وما
""",
    "hi": """
का के की को ने से में पर तक और या एवं तथा व कि जो जिस जिसे जिसका जिसके जिसकी जिसमें जिन जिन्हें
यह ये वह वे इस इसे इसका इसके इसकी इसमें इन इन्हें इनका इनके इनकी उस उसे उसका उसके उसकी उसमें उन
उन्हें उनका उनके उनकी मैं हम तुम आप मुझे हमें मेरा मेरे मेरी हमारा हमारे हमारी आपका आपके आपकी अपना
अपने अपनी है हैं हूँ हो था थे थी होता होते होती होना होने हुआ हुए हुई गया गए गई रहा रहे रही कर
करना करने करता करते करती किया किए सकता सकते सकती चाहिए क्या कौन कौनसा किस किसे किसने किसका किसके
किसकी किन कब कहाँ कहां कैसे कैसा क्यों कितना कितने कितनी नहीं न ना मत भी ही तो अगर यदि लेकिन
परंतु द्वारा लिए साथ बाद जब तब एक
""",
    "ur": """
کا کے کی کو نے سے میں پر تک اور یا کہ جو جس جسے جن یہ وہ اس اسے ان انہیں اسکا مجھے میں ہم تم آپ میرا
میرے میری ہمارا ہمارے ہماری آپکا آپ کے اپنا اپنے اپنی ہے ہیں ہوں ہو تھا تھے تھی ہوتا ہوتے ہوتی ہونا
ہونے ہوا ہوئے ہوئی گیا گئے گئی رہا رہے رہی کر کرنا کرنے کرتا کرتے کرتی کیا جائے جائیں سکتا سکتے سکتی
چاہیے کون کس کسے کسی کب کہاں کیسے کیسا کیوں کتنا کتنے کتنی نہیں نہ مت بھی ہی تو اگر لیکن ذریعے لیے
ساتھ بعد جب تب ایک
""",
}  # fmt: skip
LISTS["nb"] = LISTS["no"]

STOP_WORDS = {code: frozenset(normalize("NFKC", text).split()) for code, text in LISTS.items()}
NO_STOP_WORDS: frozenset[str] = frozenset()
