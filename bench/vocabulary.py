"""Names and words that made-up customers and texts consist of; of `WORDS` the frequent ones come first."""

FIRST_NAMES = """
Ann Ben Carla David Eva Frank Gita Hugo Iris Jan Katja Liam Maria Noor Omar Petra Quinten Rosa Sven Tess Ursula Victor Wendy
Xander Yusuf Zoë Amira Björn Chloé Dirk Elif Fatima Gerrit Hanna Ingrid Joost Kim Lars Mehmet Nadia
"""
LAST_NAMES = """
Jansen Vries Berg Bakker Visser Smit Meijer Mulder Bos Vos Peters Hendriks Dekker Brouwer Schmidt Müller Fischer Weber Wagner
Becker Dupont Martin Bernard Petit Durand Leroy Moreau Simon Laurent Smith Jones Taylor Brown Williams Evans Thomas Roberts Walker
Wright Yilmaz Kaya Demir Nowak Kowalski Silva Santos Rossi Russo García López Pérez Sánchez Nielsen Hansen Larsen Virtanen Nagy
Horváth Popescu
"""
SYLLABLES = """
bar bel bos bru cal cor dal den dor dun elm erk fal fen gar gel gor hal hel hol ing jor kal ken kir lan lim lor mar mel mon nar nel nor
oss ost pal pen por qui ral ren ros sal sel sor tal ten tor tur ulm urk val ven vor wal wen wor yor zan
"""
"""What streets are named with: three of them, the names of as many streets as a place needs."""
STREET = f"^({'|'.join(SYLLABLES.split())}){{3}}$"
"""A regular expression for them."""
WORDS = {
    "en": """
the of and a to in is it that was for on are with as at be this have from not had by but what all were we when there can an your
which their said if will each about how up out them then she many some so these would other into has more her two like him see
could no make than first been its who now people my made over did down only way find use may long little very after just where
most know boiler kitchen leak radiator window door neighbour noise rent payment contract appointment mould damp roof stairs lift
garden fence key lock broken repair engineer complaint question invoice reminder deposit moving heating pipe toilet shower drain
light switch socket smoke alarm cleaning parking letter answer waiting week month yesterday tomorrow morning evening please thanks
urgent still again nobody
""",
    "nl": """
de het een van en in is dat op te met voor niet zijn aan er om als dan maar ook naar wij huis huur lekkage verwarming keuken
badkamer buren overlast monteur afspraak sleutel deur raam dak trap lift rekening betaling contract vraag klacht storing kapot
schimmel vocht goedemorgen alvast bedankt groeten wachten week maand gisteren morgen kunt graag nog steeds niemand gebeld
reparatie
""",
    "de": """
der die das und in zu den mit von für ist nicht ein eine auf dem im wir Wohnung Miete Heizung Küche Bad Nachbarn Lärm Termin
Schlüssel Tür Fenster Dach Treppe Aufzug Rechnung Zahlung Vertrag Frage Beschwerde Störung kaputt Schimmel Feuchtigkeit bitte
danke Grüße warten Woche Monat gestern morgen noch immer niemand angerufen Reparatur
""",
    "fr": """
le la les de des et un une à est que dans pour pas nous vous appartement loyer chauffage cuisine voisins bruit rendez-vous clé
porte fenêtre toit escalier ascenseur facture paiement contrat question réclamation panne cassé moisissure humidité bonjour merci
semaine mois hier demain toujours personne réparation
""",
}
"""By language."""
