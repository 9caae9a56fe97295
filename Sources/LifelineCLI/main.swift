import ArgumentParser
import Lifeline
