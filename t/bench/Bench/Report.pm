package Bench::Report;

# Results as a table, as JSON and as a chart.

use v5.36;

use Carp qw(croak);
use Exporter qw(import);
use JSON::PP ();

our @EXPORT_OK = qw(median table write_file json chart);


sub median (@values) {
    @values = sort { $a <=> $b } @values;
    my $half = int @values / 2;

    return if !@values;
    return @values % 2 ? $values[$half]
        : ($values[$half - 1] + $values[$half]) / 2;
}


# Rows of cells, the first row being the head, as text that is Markdown too.
# All but the first column are numbers.
sub table (@rows) {
    my @width = map {
        my $column = $_;
        (sort { $b <=> $a } map { length $_->[$column] } @rows)[0];
    } 0 .. $#{ $rows[0] };

    my @lines = map { line(\@width, @$_) } @rows;
    my @rule  = ('-' x $width[0], map { '-' x ($_ - 1) . ':' }
        @width[1 .. $#width]);

    splice @lines, 1, 0, line(\@width, @rule);

    return join '', @lines;
}


sub line ($width, @cells) {
    return '| ' . join(' | ', map {
        sprintf $_ ? '%*s' : '%-*s', $width->[$_], $cells[$_]
    } 0 .. $#cells) . " |\n";
}


sub write_file ($path, $content) {
    open my $fh, '>:encoding(UTF-8)', $path or croak "$path: $!";
    print $fh $content;
    close $fh or croak "$path: $!";
    return;
}


sub json ($data) {
    return JSON::PP->new->canonical->pretty->encode($data);
}


my $TITLE = 'CPU time of nginx for each request, against nginx alone';

# Bars from 0, a line at 1. Rows: { title, ratio, peer }.
my %CHART = (left => 330, bar => 330, row => 30, top => 64, width => 740);

sub chart ($caption, @rows) {
    my ($max)  = sort { $b <=> $a } map { $_->{ratio} } @rows;
    my $scale  = $CHART{bar} / $max;
    my $bottom = $CHART{top} + @rows * $CHART{row};
    my $height = $bottom + 16;
    my $one    = sprintf '%.1f', $CHART{left} + $scale;
    my $above  = $CHART{top} - 6;
    my $bars   = '';

    for my $n (0 .. $#rows) {
        $bars .= bar($rows[$n], $CHART{top} + $n * $CHART{row}, $scale);
    }

    return <<"END";
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 $CHART{width} $height"
 role="img" aria-label="$TITLE">
<style>
text { font: 14px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 16px }
.small { font-size: 12px; fill: #59636e }
.gate { fill: #1f6feb }
.peer { fill: #8c959f }
.one { stroke: #59636e; stroke-dasharray: 3 3 }
\@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.small { fill: #9198a1 }
.one { stroke: #9198a1 }
}
</style>
<text class="title" x="12" y="24">$TITLE</text>
<text class="small" x="12" y="44">@{[ xml($caption) ]}</text>
$bars<line class="one" x1="$one" y1="$above" x2="$one" y2="$bottom"/>
</svg>
END
}


sub bar ($row, $y, $scale) {
    my $width = sprintf '%.1f', $row->{ratio} * $scale;
    my $label = sprintf '%.2f', $row->{ratio};
    my $class = $row->{peer} ? 'peer' : 'gate';
    my $text  = $y + 16;
    my $end   = sprintf '%.1f', $CHART{left} + $width + 8;

    return <<"END";
<text x="12" y="$text">@{[ xml($row->{title}) ]}</text>
<rect class="$class" x="$CHART{left}" y="$y" width="$width" height="20"/>
<text x="$end" y="$text">$label</text>
END
}


sub xml ($text) {
    my %entity = ('&' => '&amp;', '<' => '&lt;', '>' => '&gt;');
    return $text =~ s/([&<>])/$entity{$1}/gr =~ s/`//gr;
}

1;
