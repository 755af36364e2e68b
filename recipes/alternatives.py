"""Everyday captions, the distractors of the logit loss; all of them occur in the training data."""

from __future__ import annotations

_TEXT = """
red apple, green apple, banana, strawberry, watermelon, pear, peach, cherries, grapes, lemon,
tangerine, pineapple, kiwi fruit, tomato, carrot, ear of corn, mushroom, broccoli, hot pepper,
bread, cheese wedge, egg, hamburger, french fries, hot dog, pizza, taco, sushi, doughnut, cookie,
birthday cake, shortcake, ice cream, lollipop, candy, honey pot, hot beverage, beer mug, wine glass,
cocktail glass, fork and knife, spoon, kitchen knife, frog, cat face, dog face, mouse face,
rabbit face, fox, bear, panda, koala, tiger face, lion, cow face, pig face, monkey face, chicken,
penguin, bird, duck, eagle, owl, bat, wolf, horse face, unicorn, honeybee, lady beetle, butterfly,
snail, bug, ant, spider, turtle, snake, lizard, octopus, squid, shrimp, crab, tropical fish, whale,
dolphin, shark, crocodile, elephant, giraffe, zebra, camel, rooster, swan, peacock, hedgehog,
cactus, palm tree, evergreen tree, deciduous tree, seedling, herb, four leaf clover, maple leaf,
sunflower, rose, tulip, cherry blossom, bouquet, sun, full moon, crescent moon, star, rainbow,
cloud, lightning, snowflake, snowman, fire, droplet, water wave, umbrella, comet, volcano,
mountain, desert island, house, castle, hospital, school, church, tent, Statue of Liberty,
automobile, taxi, bus, ambulance, fire engine, police car, delivery truck, tractor, bicycle,
motorcycle, locomotive, airplane, helicopter, rocket, sailboat, ship, anchor, flying saucer,
traffic light, globe showing Americas, world map, compass, watch, alarm clock, hourglass done,
mobile phone, laptop, television, camera, light bulb, flashlight, candle, book, newspaper,
envelope, package, pencil, scissors, key, locked, hammer, axe, wrench, gear, magnet, telescope,
microscope, syringe, pill, door, chair, bed, toilet, shower, bathtub, broom, basket, balloon,
wrapped gift, party popper, trophy, soccer ball, basketball, baseball, tennis, bowling, guitar,
trumpet, violin, drum, musical note, artist palette, crown, top hat, glasses, sunglasses, T-shirt,
jeans, dress, high heeled shoe, handbag, gem stone, ring, lipstick, red heart, yellow heart,
green heart, blue heart, purple heart, black heart, broken heart, skull, ghost, alien, robot,
jack o lantern, pile of poo, grinning face, crying face, angry face, sleeping face,
slightly smiling face, eyes, mouth, ear, thumbs up, waving hand, baby, man, woman, police officer,
Santa Claus, person running, chess pawn, game die, puzzle piece, teddy bear, kite, yo yo,
red circle, blue circle, green square, yellow square, orange diamond, white circle, black square,
red striped sphere, blue cube, green cone, yellow cylinder, cow, teapot, monkey head,
smiling face with red hair, sad face with blond hair, face with glasses
"""
ALTERNATIVES = tuple(" ".join(_TEXT.split()).split(", "))
